"""What each role may do on AWS, as plain data with a reason for every statement.

job_permissions(job)        the roles of one job: plan, work, isolate, fold, finish, close, state-machine
shared_permissions()        the roles of a stage: api, start, watch
resolve(statement, values)  a deployment's names and ARNs in the place of `${…}`
policy_document(statements) as IAM writes it

Derived from what the definition and the job declare: `infra/` makes one inline policy of a role's statements, and grants
nothing else. Actions and their resource types are those of AWS's Service Authorization Reference.
"""

from workflows.permissions.job_roles import job_permissions
from workflows.permissions.resources import roles_with_context, secret_arn
from workflows.permissions.shared_roles import shared_permissions
from workflows.permissions.statement import Statement, policy_document, resolve

__all__ = [
    "Statement",
    "job_permissions",
    "policy_document",
    "resolve",
    "roles_with_context",
    "secret_arn",
    "shared_permissions",
]
