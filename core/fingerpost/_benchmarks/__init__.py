"""The benchmarks: a framework's rules, where a learner stands, what counts, and the words for it.

It never knows the store or SQL: it is given facts and answers with verdicts.
"""
