"""Replies against gold calls: verdicts a row, intervals a run, and the failures to look at."""
