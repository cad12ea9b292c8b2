"""A stand-in of Vertex AI: OAuth tokens of a service account, generateContent for pictures, and single models.

The grant is checked as Google's token endpoint does: signed by the account's key, for this endpoint, for an hour.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from functools import cache
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .gemini import MODEL, GeminiStandIn, Wrong, drawn, error, require
from .server import Answer, Received, json_answer

PROJECT = "booth-project"
LOCATION = "europe-west4"
EMAIL = "booth@booth-project.iam.gserviceaccount.com"

_MODEL = re.compile(r"/v1beta1/publishers/google/models/([^/:]+)\Z")
_IMAGE_SETTINGS = frozenset({"aspectRatio", "imageSize", "personGeneration"})


@cache
def private_key() -> RSAPrivateKey:
    """The account's key, made once per process."""
    return generate_private_key(public_exponent=65537, key_size=2048)


class VertexStandIn(GeminiStandIn):
    """Calls are named `token`, `call` (generateContent) and `model`.

    Attributes:
        tokens: the tokens that are accepted, the newest last; every grant makes one more.
        location: where the models are.
    """

    def __init__(self, *, models: Sequence[str] = (MODEL,), location: str = LOCATION) -> None:
        super().__init__(models=models)
        self.tokens: list[str] = []
        self.location = location
        self.granted = 0

    def account(self, **changes: str) -> str:
        """The key file of the service account."""
        pem = private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        file = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "0815",
            "private_key": pem,
            "client_email": EMAIL,
            "token_uri": f"{self.url}/token",
        }
        return json.dumps(file | changes)

    def call_of(self, request: Received) -> str:
        if request.path == "/token":
            return "token"
        return "model" if request.method == "GET" else "call"

    def check(self, request: Received) -> Answer | None:
        try:
            match self.call_of(request):
                case "token":
                    self._check_grant(request)
                case "call":
                    self._check_token(request)
                    path = f"/v1beta1/projects/{PROJECT}/locations/{self.location}/publishers/google/models/"
                    name = request.path.removeprefix(path).removesuffix(":generateContent")
                    known = request.method == "POST" and request.path == f"{path}{name}:generateContent"
                    require(known and not request.query, f"Unknown path {request.path}.")
                    self._check_model(name)
                    self.check_body(request, image_settings=_IMAGE_SETTINGS)
                    require(b"fileData" not in request.body, "Files are not supported.")
                case _:
                    self._check_token(request)
                    found = _MODEL.match(request.path)
                    require(found is not None, f"Unknown path {request.path}.")
                    assert found is not None
                    self._check_model(found[1])
        except Wrong as wrong:
            return wrong.answer
        return None

    def answer(self, request: Received) -> Answer:
        match self.call_of(request):
            case "token":
                self.granted += 1
                self.tokens.append(f"ya29.stand-in-{self.granted}")
                return json_answer({"access_token": self.tokens[-1], "expires_in": 3599, "token_type": "Bearer"})
            case "call":
                return drawn()
            case _:
                return json_answer({"name": request.path.removeprefix("/v1beta1/"), "versionId": "default"})

    def _check_grant(self, request: Received) -> None:
        form = parse_qs(request.body.decode())
        if form.get("grant_type") != ["urn:ietf:params:oauth:grant-type:jwt-bearer"] or set(form) != {
            "grant_type",
            "assertion",
        }:
            raise Wrong(json_answer({"error": "unsupported_grant_type"}, status=400))
        try:
            claims = jwt.decode(
                form["assertion"][0], private_key().public_key(), algorithms=["RS256"], audience=f"{self.url}/token"
            )
        except jwt.PyJWTError:
            raise Wrong(
                json_answer({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, status=400)
            ) from None
        good = claims["iss"] == EMAIL and claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        if not good or not 0 < claims["exp"] - time.time() <= 3600 or claims["exp"] - claims["iat"] > 3600:
            raise Wrong(json_answer({"error": "invalid_grant"}, status=400))

    def _check_token(self, request: Received) -> None:
        authorization = request.headers.get("authorization", "")
        if "x-goog-api-key" in request.headers or authorization.removeprefix("Bearer ") not in self.tokens:
            raise Wrong(expired_token())

    def _check_model(self, name: str) -> None:
        if name not in self.models:
            raise Wrong(error(404, "NOT_FOUND", f"Publisher Model `publishers/google/models/{name}` was not found."))


def expired_token() -> Answer:
    """The token is none, or no longer."""
    message = "Request had invalid authentication credentials. Expected OAuth 2 access token."
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_EXPIRED",
        "domain": "googleapis.com",
    }
    return error(401, "UNAUTHENTICATED", message, details=[info])


def disabled() -> Answer:
    """The project has not enabled the API."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
    }
    message = "Vertex AI API has not been used in project 123 before or it is disabled."
    return error(403, "PERMISSION_DENIED", message, details=[info])
