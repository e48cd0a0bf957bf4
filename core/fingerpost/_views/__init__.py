"""What a person asks of a college: each file answers one kind of question, and a method of `College` hands it out.

It never knows the command line.
"""
