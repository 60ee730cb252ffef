"""What stops us before Azure has looked at a request: no credential, a refused one, or a token that is not taken.

Sign-in tells its reasons as ``AADSTS`` numbers inside texts of many lines, one for each credential that was tried. What
a person can use of them is one line and what to do; the credential chain's own pages of advice are left out.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from azure.core import exceptions as azure

from automation.ports.errors import BbdcError, NotAuthenticated, Unreachable

_REASON = re.compile(r"AADSTS(\d+):.*?(?=\s*(?:Trace ID:|Correlation ID:|To mitigate|\n|$))")
_NO_TENANT = re.compile(r"Unable to get authority configuration for (https?://\S+?)\.?(?=\s|$)")
_NO_WAY = re.compile(
    r"\[SSL: [^\n]*|SSL:[^\n]*|certificate verify[^\n]*|[^\n]*(?:failed to (?:resolve|establish)"
    r"|name or service not known|max retries|timed out|connection refused)[^\n]*",
    re.IGNORECASE,
)
"""What azure-identity says where it did not get through: it has one kind of error for that and for a wrong password."""
_TRIED = re.compile(r"^\s*(\w+)Credential: ", re.MULTILINE)

_LATER = "the clocks may differ: check this computer's (timedatectl)"
_AGAIN = "sign in again: az login"
_TENANT = "there is no such tenant: check AZURE_TENANT_ID"
HINTS: Mapping[str, str] = {
    "90002": _TENANT,
    "900023": _TENANT,
    "700016": "the tenant does not know this application: check AZURE_CLIENT_ID and AZURE_TENANT_ID",
    "7000112": "the application is switched off in its tenant: switch it on, or use another AZURE_CLIENT_ID",
    "7000215": "the client secret is wrong: set the secret's value, not its id, in AZURE_CLIENT_SECRET",
    "7000222": "the client secret has expired: make a new one, and set it in AZURE_CLIENT_SECRET",
    "700027": "the certificate is not registered with this application",
    "700024": f"the signed assertion is not valid now: {_LATER}",
    "500133": f"the signed assertion is not valid now: {_LATER}",
    "500011": "the tenant does not know the service: check AZURE_AUTHORITY_HOST and BBDC_AZURE_ENDPOINT",
    "53003": "conditional access forbids this sign-in",
    "50076": f"a second factor is asked for: {_AGAIN}",
    "50173": f"the sign-in was revoked: {_AGAIN}",
    "70043": f"the sign-in is too old: {_AGAIN}",
    "700082": f"the sign-in is too old: {_AGAIN}",
}
NETWORK_HINT = "check the network path to Azure, proxies, REQUESTS_CA_BUNDLE and BBDC_AZURE_ENDPOINT"
LOGIN_HINT = "check the Azure credentials: az account show, or AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET"
TOKEN_HINTS: Mapping[str, str] = {
    "InvalidAuthenticationTokenTenant": "the subscription belongs to another tenant: "
    "check AZURE_TENANT_ID and BBDC_SUBSCRIPTION",
    "ExpiredAuthenticationToken": f"the token has expired, and no new one was asked for: {_LATER}",
    "RequestTimeTooSkewed": _LATER,
}
"""Azure's code for a token that it does not take -> what to do."""
_SILENT = logging.NullHandler()


def quiet() -> None:
    """Keep azure-identity from writing pages of advice to standard error where nobody has configured logging.

    What it has to say comes with the error; who configures logging gets its records as before.
    """
    logging.getLogger("azure.identity").addHandler(_SILENT)


def translate(error: azure.ClientAuthenticationError, doing: str, code: str) -> BbdcError:
    """Return NotAuthenticated with one line of reason, or Unreachable where sign-in was never reached.

    Args:
        error: what azure-identity or the resource manager said.
        doing: what was being done, for the message.
        code: Azure's code, where the resource manager has answered.
    """
    text = str(error)
    if (found := _REASON.search(text)) is not None:
        return NotAuthenticated(f"{doing}: {_line(found[0])}", hint=HINTS.get(found[1], LOGIN_HINT))
    if (nobody := _NO_TENANT.search(text)) is not None:  # how MSAL tells that the authority does not know the tenant
        return NotAuthenticated(f"{doing}: no tenant answers at {nobody[1]}", hint=_TENANT)
    if (broken := _NO_WAY.search(text)) is not None:
        return Unreachable(f"{doing}: {_line(broken[0])}", hint=NETWORK_HINT)
    if tried := _TRIED.findall(text):
        return NotAuthenticated(f"{doing}: no credentials were found; tried: {', '.join(tried)}", hint=LOGIN_HINT)
    return NotAuthenticated(f"{doing}: {_line(text)}", hint=TOKEN_HINTS.get(code, LOGIN_HINT))


def _line(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 400 else words[:397] + "..."
