"""Runs on the embedded AWS, replayed against the policies of their roles.

recorder/sitecustomize.py   notes every call of boto3 in the processes of `mapfold local`, by function
calls.py                    what a recorded call needs: IAM actions on resources
machine.py                  what the state machine did itself, from the histories of its executions
iam.py                      whether statements allow it
unused.py                   what is allowed and not asked for, with reasons
jobs/                       jobs that together do whatever a job can
"""
