"""Labour market information: remembered answers of services, and the occupations that learners have in mind.

It never knows who is notified, and nothing about a learner leaves it.
"""
