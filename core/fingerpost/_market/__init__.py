"""Labour market information: what services said, remembered; the occupations that learners have in mind.

It never knows who is told, and no learner leaves it.
"""
