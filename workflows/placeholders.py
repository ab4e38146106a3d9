"""What a deployment puts in for the `${…}` of a definition: ARNs of functions, and the name of the runs bucket."""

FUNCTION_PLACEHOLDERS = (
    "PlanFunction",
    "WorkFunction",
    "IsolateFunction",
    "FoldFunction",
    "FinishFunction",
    "CloseFunction",
)
PLACEHOLDERS = (*FUNCTION_PLACEHOLDERS, "RunsBucket")
