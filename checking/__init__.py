"""Whether mel folders, run folders and pages are whole, and what can be used of them. It only reads.

It does not know how to make or mend any of them: it names the command that does.
"""
