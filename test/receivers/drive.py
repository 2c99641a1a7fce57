# Asks the snippets of WEBHOOKS.md about the deliveries on standard input and prints one verdict a line (see drive.mjs).
import base64, sys
from webhook import verify_webhook

try:
    from cryptography.exceptions import InvalidSignature
    from pingpp_webhook import verify_pingpp_webhook
except ModuleNotFoundError:
    InvalidSignature = verify_pingpp_webhook = None


class Headers:
    """Looks names up in any case, as the frameworks do."""

    def __init__(self, lines):
        self.values = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    def get(self, name, default=None):
        return self.values.get(name.lower(), default)


refusals = ValueError if InvalidSignature is None else (ValueError, InvalidSignature)
for line in sys.stdin:
    scheme, body, headers, key, now = line.rstrip("\n").split("\t")
    body, key = base64.b64decode(body), base64.b64decode(key)
    headers = Headers([one for one in base64.b64decode(headers).decode().split("\n") if one])
    try:
        if scheme == "standard":
            event = verify_webhook(body, headers, key.decode(), int(now))
        else:
            event = verify_pingpp_webhook(body, headers, key)
        print("accepted" if isinstance(event, dict) else "crashed: no event")
    except refusals as error:
        print(f"refused: {error}")
    except Exception as error:
        print(f"crashed: {error!r}")
