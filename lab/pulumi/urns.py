"""URNs: `urn:pulumi:STACK::PROJECT::PARENT_TYPE$TYPE::NAME`, the identity of a resource across updates."""

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"


def make_urn(stack: str, project: str, parent: str, kind: str, name: str) -> str:
    """The URN of a resource; the root stack does not show in its children's type chain."""
    chain = type_chain(parent) if parent else ""
    qualified = kind if chain in {"", STACK_TYPE} else f"{chain}${kind}"
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def type_chain(urn: str) -> str:
    """The types from the outermost component to the resource itself, joined by `$`."""
    return urn.split("::", 3)[2]


def type_of(urn: str) -> str:
    """The resource's own type token."""
    return type_chain(urn).split("$")[-1]


def name_of(urn: str) -> str:
    """The resource's logical name."""
    return urn.split("::", 3)[3]


def split_reference(reference: str) -> tuple[str, str]:
    """A provider reference `URN::ID` as (URN, id)."""
    urn, _, identity = reference.rpartition("::")
    return urn, identity


def is_provider_type(kind: str) -> bool:
    """Whether the type is a provider resource."""
    return kind.startswith(PROVIDER_PREFIX)


def is_default_provider(urn: str) -> bool:
    """Whether the URN is one of the providers that the engine itself registers."""
    return is_provider_type(type_of(urn)) and (name_of(urn) == "default" or name_of(urn).startswith("default_"))
