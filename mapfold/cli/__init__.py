"""The command line: options in, one call of `client/`, and an `Output` for what is seen.

main.py       the only place that exits; an error's class carries its exit code
app.py        the commands and their options (click)
factory.py    makes what commands need: jobs, and a connection to an AWS; tests hand in another one
embedded.py   finds the embedded AWS that runs, or runs one of our own
run.py        `run`; look.py: the commands that look; output.py, progress.py, present.py: what is seen
"""
