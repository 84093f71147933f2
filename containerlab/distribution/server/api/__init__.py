"""The API over ASGI: what carries out each operation, requests and answers, the OpenAPI document."""
