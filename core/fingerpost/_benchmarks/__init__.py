"""The benchmarks: a framework's rules, a learner's standing, what counts, and the words for it.

It never uses the store or SQL: it takes facts and returns verdicts.
"""
