"""What a person asks about a college: each file answers one kind of question, through a method of `College`.

It never knows the command line.
"""
