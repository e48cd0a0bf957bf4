"""One run: read, set aside, sweep, link, merge, gather facts, judge and report.

A kill anywhere loses nothing and doubles nothing. It never knows how a message looks: what sends one is handed to it.
"""
