"""Who is notified of what: audiences, digests, notes on learners' pages, and the outbox that delivers them once.

It never knows how rows were read.
"""
