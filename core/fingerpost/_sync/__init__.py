"""One run: read, set aside, sweep, link, merge, gather facts, judge and report.

A kill at any point loses nothing and doubles nothing. It never knows how a message looks: the sender is passed in.
"""
