"""Headers of every answer: nothing is sniffed, framed, cached by strangers or told to other sites."""

from __future__ import annotations

from flask import Flask, Response

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",  # kept by browsers for If-None-Match, never used unasked
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def secure_answers(app: Flask) -> None:
    """Let every answer of `app` carry the headers; one that has set its own (a page, its policy) keeps it."""

    @app.after_request
    def add_headers(response: Response) -> Response:
        for name, value in _EVERYWHERE.items():
            response.headers.setdefault(name, value)
        return response
