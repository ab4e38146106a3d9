"""The embedded AWS: Step Functions service, map runs, Lambda runtime, stores, and moto for the rest."""
