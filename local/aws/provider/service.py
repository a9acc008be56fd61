"""The gRPC service that the engine talks to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf import empty_pb2
from google.protobuf.message import Message
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2
from pulumi.runtime.proto import provider_pb2 as rpc

from local.aws import differences
from local.aws.provider import check as checking
from local.aws.provider.check import DEFAULTS_KEY, Checked, Naming, Problem
from local.aws.provider.differ import Difference, diff
from local.aws.provider.errors import ProviderError, describe
from local.aws.provider.invokes import NothingFound, invoke
from local.aws.provider.lifecycle import Lifecycle, declared
from local.aws.provider.session import Session, config_problems, parse_config
from local.aws.provider.wire import from_struct, is_known, plain, to_struct, wrapped_like

SERVICE_NAME: Final = "pulumirpc.ResourceProvider"
_MESSAGE_LIMIT: Final = 400 * 1024 * 1024
CHANNEL_OPTIONS: Final = [
    ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
    ("grpc.max_send_message_length", _MESSAGE_LIMIT),
]


class AwsProvider:
    """The provider. An instance serves one provider configuration: the engine starts a process for each.

    Args:
        version: of the installed pulumi_aws, which the engine compares with the plugin's folder.
        engine_address: host:port of the engine's own service, for messages to the person; empty stays silent.
    """

    def __init__(self, version: str, engine_address: str = "") -> None:
        self._version = version
        self._engine_address = engine_address
        self._session: Session | None = None
        self._refusal: str | None = None
        self._cancelled = threading.Event()
        self._engine: engine_pb2_grpc.EngineStub | None = None
        self._lock = threading.Lock()
        self._told: set[str] = set()

    def register(self, server: grpc.Server) -> None:
        """Answers the engine's calls on a server; a method that is not listed is answered as unimplemented."""
        methods: dict[str, tuple[Any, Callable[[Any], Any]]] = {
            "Handshake": (rpc.ProviderHandshakeRequest, self._handshake),
            "GetPluginInfo": (empty_pb2.Empty, lambda _: plugin_pb2.PluginInfo(version=self._version)),
            "CheckConfig": (rpc.CheckRequest, self._check_config),
            "DiffConfig": (rpc.DiffRequest, self._diff_config),
            "Configure": (rpc.ConfigureRequest, self._configure),
            "Check": (rpc.CheckRequest, self._check),
            "Diff": (rpc.DiffRequest, self._diff),
            "Create": (rpc.CreateRequest, self._create),
            "Read": (rpc.ReadRequest, self._read),
            "Update": (rpc.UpdateRequest, self._update),
            "Delete": (rpc.DeleteRequest, self._delete),
            "Invoke": (rpc.InvokeRequest, self._invoke),
            "Cancel": (empty_pb2.Empty, self._cancel),
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                _spoken(name, method),
                request_deserializer=request_type.FromString,
                response_serializer=_serialized,
            )
            for name, (request_type, method) in methods.items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))

    def _handshake(self, _request: Any) -> rpc.ProviderHandshakeResponse:
        return rpc.ProviderHandshakeResponse(accept_secrets=True, supports_autonaming_configuration=True)

    def _check_config(self, request: rpc.CheckRequest) -> rpc.CheckResponse:
        config = parse_config(
            {key: value for key, value in from_struct(request.news).items() if is_known(value)}
        )
        failures = [rpc.CheckFailure(property=key, reason=text) for key, text in config_problems(config)]
        return rpc.CheckResponse(inputs=request.news, failures=failures)

    def _diff_config(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        # Any difference must be admitted: the engine would otherwise go on with the endpoints that state remembers.
        old, new = (parse_config(from_struct(struct)) for struct in (request.old_inputs, request.news))
        changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        changes = rpc.DiffResponse.DIFF_SOME if changed else rpc.DiffResponse.DIFF_NONE
        return rpc.DiffResponse(changes=changes, diffs=changed)

    def _configure(self, request: rpc.ConfigureRequest) -> rpc.ConfigureResponse:
        config = parse_config(
            {key: value for key, value in from_struct(request.args).items() if is_known(value)}
        )
        self._session = Session(config)
        return rpc.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, supports_autonaming_configuration=True
        )

    def _configured(self) -> Session:
        if self._session is None:
            raise ProviderError("the provider was used before it was configured")
        return self._session

    def _lifecycle(self, urn: str, verb: str) -> Lifecycle:
        facts, resource = declared(_token(urn))
        label = f"{verb} of {_label(urn)}"
        return Lifecycle(
            self._configured(), facts, resource, label, lambda text: self._tell(urn, text), self._cancelled
        )

    def _tell(self, urn: str, text: str) -> None:
        """Shows a warning beside the resource."""
        if not self._engine_address:
            return
        with self._lock:
            if self._engine is None:
                self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._engine_address))
            engine = self._engine
        engine.Log(engine_pb2.LogRequest(severity=engine_pb2.WARNING, message=text, urn=urn), timeout=5)

    def _check(self, request: rpc.CheckRequest) -> rpc.CheckResponse:
        token, news = _token(request.urn), from_struct(request.news)
        try:
            facts, resource = declared(token)
        except ProviderError as error:
            # Inputs go back even so: the engine panics on a Check that returns none.
            return rpc.CheckResponse(inputs=request.news, failures=[rpc.CheckFailure(reason=str(error))])
        autonaming = request.autonaming if request.HasField("autonaming") else None
        naming = Naming(
            logical_name=request.urn.rsplit("::", 1)[-1],
            seed=request.randomSeed,
            proposed=autonaming.proposed_name or None if autonaming else None,
        )
        life = self._lifecycle(request.urn, "check")
        region = life.session.region
        checked = checking.check(
            facts, resource, plain(news), plain(from_struct(request.olds)), region, naming
        )
        checked.problems += _autonaming_problems(facts.autonamed, autonaming, checked)
        if not checked.problems:
            checked.problems += differences.refusals(token, checked.inputs)
        missing = life.session.missing_endpoint(resource.service)
        if missing is not None:
            checked.problems.append(Problem("", missing))
        inputs = wrapped_like(checked.inputs, news)
        if facts.tags:
            # As AWS's provider does: tagsAll is worked out here, and is compared like any input.
            inputs["tagsAll"] = life.tags_all(news)
        failures = [
            rpc.CheckFailure(property=problem.property, reason=problem.reason) for problem in checked.problems
        ]
        return rpc.CheckResponse(inputs=to_struct(inputs), failures=failures)

    def _diff(self, request: rpc.DiffRequest) -> rpc.DiffResponse:
        life = self._lifecycle(request.urn, "diff")
        olds, old, new = (
            plain(from_struct(struct)) for struct in (request.olds, request.old_inputs, request.news)
        )
        for ignored in request.ignoreChanges:
            top = ignored.split(".")[0].split("[")[0]
            if top == ignored and top in old:
                new[top] = old[top]
        if "tagsAll" not in old:
            old["tagsAll"] = olds.get("tagsAll")
        found = diff(_token(request.urn), life.facts, old, new)
        return _diff_response(found)

    def _create(self, request: rpc.CreateRequest) -> rpc.CreateResponse:
        life, inputs = self._lifecycle(request.urn, "create"), from_struct(request.properties)
        if request.preview:
            return rpc.CreateResponse(properties=to_struct(life.previewed(inputs)))
        for note in differences.notes(_token(request.urn), plain(inputs)):
            # Once in a run: the tenth queue's warning says nothing that the first one's did not.
            if note not in self._told:
                self._told.add(note)
                life.tell(note)
        identity, outputs = life.create(inputs)
        return rpc.CreateResponse(id=identity, properties=to_struct(outputs))

    def _read(self, request: rpc.ReadRequest) -> rpc.ReadResponse:
        life = self._lifecycle(request.urn, "read")
        found = life.read(request.id, from_struct(request.properties), from_struct(request.inputs))
        if found is None:
            return rpc.ReadResponse()
        inputs, outputs = found
        return rpc.ReadResponse(id=request.id, inputs=to_struct(inputs), properties=to_struct(outputs))

    def _update(self, request: rpc.UpdateRequest) -> rpc.UpdateResponse:
        life = self._lifecycle(request.urn, "update")
        olds, old, new = (from_struct(struct) for struct in (request.olds, request.old_inputs, request.news))
        if request.preview:
            return rpc.UpdateResponse(properties=to_struct(life.previewed_update(olds, old, new)))
        return rpc.UpdateResponse(properties=to_struct(life.update(request.id, olds, old, new)))

    def _delete(self, request: rpc.DeleteRequest) -> empty_pb2.Empty:
        self._lifecycle(request.urn, "delete").delete(request.id, from_struct(request.properties))
        return empty_pb2.Empty()

    def _invoke(self, request: rpc.InvokeRequest) -> rpc.InvokeResponse:
        try:
            answer = invoke(self._configured(), request.tok, plain(from_struct(request.args)))
        except NothingFound as error:
            return rpc.InvokeResponse(failures=[rpc.CheckFailure(reason=str(error))])
        response = rpc.InvokeResponse()
        # A keyword of Python: the field can only be reached by name.
        getattr(response, "return").CopyFrom(to_struct(answer))
        return response

    def _cancel(self, _request: Any) -> empty_pb2.Empty:
        self._cancelled.set()
        return empty_pb2.Empty()


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


def _autonaming_problems(
    autonamed: str | None, autonaming: rpc.CheckRequest.AutonamingOptions | None, checked: Checked
) -> list[Problem]:
    if (
        autonaming is not None
        and autonamed is not None
        and autonaming.mode == rpc.CheckRequest.AutonamingOptions.DISABLE
        and autonamed in checked.inputs.get(DEFAULTS_KEY, [])
    ):
        return [
            Problem(autonamed, f"automatic names are switched off by pulumi:autonaming: give {autonamed}")
        ]
    return []


def _diff_response(found: Difference) -> rpc.DiffResponse:
    detailed: dict[str, rpc.PropertyDiff] = {}
    for change in found.changes:
        kind = f"{change.kind}_REPLACE" if change.replaces else str(change.kind)
        detailed[change.path] = rpc.PropertyDiff(kind=rpc.PropertyDiff.Kind.Value(kind), inputDiff=True)
    return rpc.DiffResponse(
        changes=rpc.DiffResponse.DIFF_SOME if found.changes else rpc.DiffResponse.DIFF_NONE,
        diffs=list(dict.fromkeys(change.top for change in found.changes)),
        replaces=list(dict.fromkeys(change.top for change in found.changes if change.replaces)),
        detailedDiff=detailed,
        hasDetailedDiff=True,
        deleteBeforeReplace=found.delete_first,
    )


def _token(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _label(urn: str) -> str:
    module, _, kind = _token(urn).partition("/")
    return f'{module.replace(":", ".")}.{kind.rsplit(":", 1)[-1]} "{urn.rsplit("::", 1)[-1]}"'


def _spoken(name: str, method: Callable[[Any], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    """The method with failures that reach the person as one line: the engine shows what abort says, nothing else."""

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return method(request)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person must read it
            urn = getattr(request, "urn", "")
            what = f"{name.lower()} of {_label(urn)}" if urn.count("::") >= 3 else name.lower()
            return context.abort(grpc.StatusCode.UNKNOWN, describe(error, what))

    return answer
