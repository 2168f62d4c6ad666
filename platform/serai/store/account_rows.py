"""The tables of accounts, their teams and their reset addresses as peewee models."""

from __future__ import annotations

import peewee

from .rows import InstantField, Row


class AccountRow(Row):
    login = peewee.TextField(primary_key=True)
    name = peewee.TextField()
    email = peewee.TextField()
    role = peewee.TextField()
    password_hash = peewee.TextField(null=True)  # as argon2 writes it, parameters and salt included
    is_disabled = peewee.IntegerField()
    provider = peewee.TextField()
    subject = peewee.TextField()
    created_at = InstantField()
    last_sign_in_at = InstantField(null=True)

    class Meta:
        table_name = "account"


class TeamRow(Row):
    name = peewee.TextField(primary_key=True)
    about = peewee.TextField()
    created_at = InstantField()

    class Meta:
        table_name = "team"


class MembershipRow(Row):
    team = peewee.TextField()
    login = peewee.TextField()

    class Meta:
        table_name = "membership"
        primary_key = peewee.CompositeKey("team", "login")


class ResetRow(Row):
    login = peewee.TextField(primary_key=True)  # one each: a new one takes the place of an older one
    hash = peewee.TextField(unique=True)  # SHA-256 of the code, hexadecimal
    created_at = InstantField()
    created_by = peewee.TextField()
    expires_at = InstantField()

    class Meta:
        table_name = "password_reset"
