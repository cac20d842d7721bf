"""The tuned model at work: replies -> policy -> functions -> results -> replies, within budgets and with a log."""
