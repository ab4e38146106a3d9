"""The functions that a stage's jobs share: api, start and watch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.functions import HandlerFunction, Shape
from infra.package import Packages
from infra.policies import policy_of
from infra.surroundings import Surroundings
from workflows.permissions import shared_permissions


class SharedFunctions(Construct):
    """The functions by name, `api`, `start` and `watch`: `shared["api"].function`.

    queues: the ARNs of the start queue and of its dead letters, as `StartQueue` and `DeadLetterQueue`.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        jobs: Sequence[str],
        queues: Mapping[str, str],
        surroundings: Surroundings,
        packages: Packages,
        layer: lambda_.ILayerVersion,
    ) -> None:
        super().__init__(scope, id_)
        environment = {
            **surroundings.environment(service="mapfold"),
            "MAPFOLD_MACHINE_PREFIX": surroundings.machine_prefix,
            "MAPFOLD_DEPLOYED_JOBS": ",".join(jobs),
        }
        permissions = shared_permissions(with_key=surroundings.has_key)
        self._by_name = {
            name: HandlerFunction(
                self,
                name.capitalize(),
                handler=name,
                code=lambda_.Code.from_asset(str(packages.of_shared(name))),
                layer=layer,
                shape=Shape(memory_mb, timeout_seconds, environment=environment),
                policy=policy_of(permissions[name], {**surroundings.values(), **queues}),
                log_retention=surroundings.log_retention,
                description=f"Mapfold: {name}",
            )
            for name, (memory_mb, timeout_seconds) in SIZES.items()
        }

    def __getitem__(self, name: str) -> HandlerFunction:
        return self._by_name[name]


SIZES: Mapping[str, tuple[int, int]] = {"api": (1024, 29), "start": (512, 60), "watch": (512, 60)}
"""Memory and timeout. API Gateway waits 29 seconds for an answer; a CPU twice as fast is what a cold API call waits for."""
