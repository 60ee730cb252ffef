"""The gRPC services a running program talks to: the resource monitor and the engine."""

import functools
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, resource_pb2, resource_pb2_grpc

from lab.pulumi.backend import ORGANIZATION
from lab.pulumi.callbacks import Callbacks
from lab.pulumi.deployment import Deployment, visible_id
from lab.pulumi.errors import Cancelled, EngineError, StepFailed
from lab.pulumi.goals import Goal, goal_from
from lab.pulumi.hooks import Hooks
from lab.pulumi.plugins import CHANNEL_OPTIONS
from lab.pulumi.transforms import Transforms
from lab.pulumi.urns import STACK_TYPE
from lab.pulumi.values import hash_assets, plain
from lab.pulumi.wire import from_struct, properties, to_struct

MIN_WORKERS = 64
"""Registrations that may wait at a time; each occupies a thread while its step runs."""
FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_TRANSFORMS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_HOOKS,
)
LEGACY_FEATURES = frozenset(
    {"secrets", "resourceReferences", "outputValues", "aliasSpecs", "deletedWith", "transforms", "resourceHooks"}
)


class Shutdown:
    """The program's end, in two parts: it has registered everything; it may go."""

    def __init__(self) -> None:
        """Neither has happened."""
        self.released = threading.Event()
        self._announce: Callable[[], None] = lambda: None

    def on_registered(self, announce: Callable[[], None]) -> None:
        """Be told when the program waits; set before the program starts to register."""
        self._announce = announce

    def wait(self) -> None:
        """Called by the program: everything is registered, wait for the release."""
        self._announce()
        self.released.wait()


THE_PROGRAMS_OWN = frozenset({"Invoke", "Call"})
"""Calls whose failure the program may handle; any other ends the update."""
Method = TypeVar("Method", bound=Callable[..., Any])


def guarded(method: Method) -> Method:
    """Turn the engine's errors into gRPC ones; a bug stops the run and is reported with its trace."""

    @functools.wraps(method)
    def call(self: "Monitor", request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(self, request, context)
        except Cancelled:
            problem = (grpc.StatusCode.UNAVAILABLE, "resource monitor shut down")
        except (EngineError, NotImplementedError) as error:
            if method.__name__ in THE_PROGRAMS_OWN:
                problem = (grpc.StatusCode.UNKNOWN, str(error))
            else:
                self.deployment.executor.fail(error if isinstance(error, StepFailed) else StepFailed(str(error)))
                problem = (grpc.StatusCode.UNAVAILABLE, "resource monitor shut down")
        except Exception:  # noqa: BLE001 - reported with its trace, and the update fails
            self.deployment.executor.fail(StepFailed(f"the engine itself failed:\n{traceback.format_exc()}"))
            problem = (grpc.StatusCode.INTERNAL, "the engine itself failed")
        return context.abort(*problem)

    return call  # type: ignore[return-value]  # the wrapper takes what the method takes


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """Takes registrations from the program."""

    def __init__(self, deployment: Deployment) -> None:
        """Serve one run."""
        self.deployment = deployment
        self.shutdown = Shutdown()
        self.callbacks = Callbacks()
        self._transforms = Transforms(self.callbacks)
        self.hooks = Hooks(self.callbacks, deployment.preview, self._warn)
        deployment.executor.hooks.append(self.hooks.run)
        self._packages: dict[str, Any] = {}

    def _warn(self, message: str, urn: str) -> None:
        self.deployment.events.diagnostic("warning", message, urn)

    def GetDeploymentInfo(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """What is running, and what this engine can do."""
        config = self.deployment.config
        return resource_pb2.DeploymentInfo(
            project=self.deployment.planner.project,
            stack=self.deployment.planner.stack,
            organization=ORGANIZATION,
            config={key: value.text for key, value in config.items()},
            configSecretKeys=[key for key, value in config.items() if value.secret],
            dryRun=self.deployment.preview,
            parallel=self.deployment.parallel,
            supportedFeatures=FEATURES,
        )

    def SupportsFeature(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """The older way to ask."""
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in LEGACY_FEATURES)

    @guarded
    def RegisterResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Bring one resource to its goal and say what came of it."""
        _require_supported(request)
        own_transforms = list(request.transforms)
        request = self._transforms.apply(request)
        goal = goal_from(request)
        self._transforms.add_for_resource(self.deployment.planner.urn(goal), goal.parent, own_transforms)
        state = self.deployment.register(self._with_provider(goal, request))
        if state.type == STACK_TYPE:
            self.deployment.root = state.urn
        shown = state.outputs if state.custom else state.inputs
        return resource_pb2.RegisterResourceResponse(
            urn=state.urn,
            id=visible_id(state),
            object=to_struct(shown if request.acceptSecrets else plain(shown)),
        )

    def _with_provider(self, goal: Goal, request: Any) -> Goal:
        version = request.version or self._package_version(request.packageRef)
        if goal.is_provider:
            inputs = {**goal.inputs, **({"version": version} if version else {})}
            return Goal(**{**_fields(goal), "inputs": inputs})
        if not goal.custom:
            return goal
        package = goal.type.split(":")[0]
        provider = request.provider or request.providers.get(package) or ""
        provider = provider or self.deployment.default_provider(package, version)
        return Goal(**{**_fields(goal), "provider": provider})

    def _package_version(self, reference: str) -> str:
        return str(self._packages[reference].version) if reference else ""

    @guarded
    def ReadResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Look up a resource that the program does not own."""
        package = request.type.split(":")[0]
        version = request.version or self._package_version(request.packageRef)
        goal = Goal(
            request.type,
            request.name,
            True,
            hash_assets(properties(request.properties)),
            parent=request.parent,
            provider=request.provider or self.deployment.default_provider(package, version),
            dependencies=tuple(request.dependencies),
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
        )
        state = self.deployment.read(goal, request.id)
        shown = state.outputs if request.acceptSecrets else plain(state.outputs)
        return resource_pb2.ReadResourceResponse(urn=state.urn, id=visible_id(state), properties=to_struct(shown))

    @guarded
    def RegisterResourceOutputs(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Record a component's outputs."""
        outputs = {key: value for key, value in from_struct(request.outputs).items() if value is not None}
        self.deployment.set_outputs(request.urn, outputs)
        return empty_pb2.Empty()

    @guarded
    def Invoke(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Call a provider's function."""
        version = request.version or self._package_version(request.packageRef)
        package = request.tok.split(":")[0]
        provider = request.provider or self.deployment.default_provider(package, version)
        result = self.deployment.invoke(provider, request.tok, properties(request.args))
        failures = [{"property": name, "reason": reason} for name, reason in result.failures]
        return resource_pb2.ResourceInvokeResponse(**{"return": to_struct(result.value)}, failures=failures)

    @guarded
    def Call(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - gRPC's signature
        """Methods of remote components are not there, since those are not."""
        raise NotImplementedError(f"method '{request.tok}': this engine calls no methods of provider plugins")

    @guarded
    def RegisterStackInvokeTransform(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - gRPC's signature
        """Functions of providers are called as the program asks."""
        raise NotImplementedError("this engine does not support transforms of invokes")

    @guarded
    def RegisterErrorHook(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - gRPC's signature
        """An error ends the update."""
        raise NotImplementedError(f"error hook '{request.name}': this engine does not support error hooks")

    @guarded
    def RegisterPackage(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Remember a package's version under a reference."""
        if request.HasField("parameterization"):
            raise NotImplementedError(f"package '{request.name}': this engine runs no parameterized providers")
        reference = f"{request.name}@{request.version}"
        self._packages[reference] = request
        return resource_pb2.RegisterPackageResponse(ref=reference)

    def SignalAndWaitForShutdown(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """The program is done; with hooks it waits until everything is deleted, for they run in it."""
        if self.hooks.any:
            self.shutdown.wait()
        return empty_pb2.Empty()

    @guarded
    def RegisterStackTransform(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Apply a transform to every resource from now on."""
        self._transforms.add_for_stack(request)
        return empty_pb2.Empty()

    @guarded
    def RegisterResourceHook(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Remember a hook."""
        self.hooks.register(request)
        return empty_pb2.Empty()


def _require_supported(request: Any) -> None:
    """Refuse what would otherwise be left out in silence.

    Raises:
        NotImplementedError: the registration asks for something that this engine does not do.
    """
    asked = {
        "components of provider plugins (only those of the program's own language)": request.remote,
        "the option replacement_trigger": request.HasField("replacement_trigger"),
        "the option replace_with": bool(request.replace_with),
        "state migrations": bool(request.state_migrations),
        "error hooks": bool(request.hooks.on_error),
    }
    for what, given in asked.items():
        if given:
            raise NotImplementedError(f"'{request.name}' ({request.type}): this engine does not support {what}")


def _fields(goal: Goal) -> dict[str, Any]:
    return {name: getattr(goal, name) for name in Goal.__dataclass_fields__}


SHUTDOWN_ECHO = "Resource monitor has terminated"
"""What the SDK logs when this engine has stopped taking registrations: the reason is reported already."""
SEVERITIES = ("debug", "info", "warning", "error")


class Engine(engine_pb2_grpc.EngineServicer):
    """Takes log messages."""

    def __init__(self, deployment: Deployment, *, debug: bool) -> None:
        """Serve one run.

        Args:
            deployment: the run.
            debug: pass debug messages on.
        """
        self._deployment = deployment
        self._debug = debug

    def Log(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Pass a message on as an event, at once."""
        severity = SEVERITIES[request.severity]
        echo = self._deployment.executor.stopped and request.message.startswith(SHUTDOWN_ECHO)
        if not echo and (severity != "debug" or self._debug):
            self._deployment.events.diagnostic(
                severity,
                request.message,
                request.urn or self._deployment.root,
                stream=request.streamId,
                ephemeral=request.ephemeral,
            )
        return empty_pb2.Empty()

    def GetRootResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """The stack resource."""
        return engine_pb2.GetRootResourceResponse(urn=self._deployment.root)

    def SetRootResource(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Name the stack resource."""
        self._deployment.root = request.urn
        return engine_pb2.SetRootResourceResponse()

    def RequirePulumiVersion(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ARG002, N802 - gRPC's signature
        """Any version the SDK itself accepts will do."""
        return engine_pb2.RequirePulumiVersionResponse()


class Server:
    """Both services on one loopback port."""

    def __init__(self, deployment: Deployment, *, debug: bool = False) -> None:
        """Start serving."""
        self.engine = Engine(deployment, debug=debug)
        workers = max(MIN_WORKERS, deployment.parallel * 4)
        self._server = grpc.server(ThreadPoolExecutor(workers, thread_name_prefix="monitor"), options=CHANNEL_OPTIONS)
        self.monitor = Monitor(deployment)
        resource_pb2_grpc.add_ResourceMonitorServicer_to_server(self.monitor, self._server)
        engine_pb2_grpc.add_EngineServicer_to_server(self.engine, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        """Stop serving; calls under way are broken off."""
        self.monitor.shutdown.released.set()
        self.monitor.callbacks.close()
        self._server.stop(0).wait()
