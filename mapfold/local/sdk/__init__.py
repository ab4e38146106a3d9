"""What the AWS SDKs know of AWS's services, by the names that Step Functions gives to all of it."""
