"""gRPC services made of plain functions and the messages' table: generic handlers instead of generated code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from . import messages

Answer = Callable[[Any, grpc.ServicerContext], Any]
Stream = Callable[[Any, grpc.ServicerContext], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Service:
    """A service by its full name, with its methods."""

    name: str
    methods: Mapping[str, grpc.RpcMethodHandler[Any, Any]]


def unary(answer: Answer, request: str) -> grpc.RpcMethodHandler[Any, Any]:
    """Return the handler of a method that takes the message `request` and answers once."""
    return grpc.unary_unary_rpc_method_handler(answer, getattr(messages, request).FromString, _serialize)


def stream(answer: Stream, request: str) -> grpc.RpcMethodHandler[Any, Any]:
    """Return the handler of a method that takes the message `request` and answers as long as it likes."""
    return grpc.unary_stream_rpc_method_handler(answer, getattr(messages, request).FromString, _serialize)


def add_service(server: grpc.Server, service: Service) -> None:
    handler = grpc.method_handlers_generic_handler(service.name, dict(service.methods))
    server.add_generic_rpc_handlers((handler,))


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data
