"""The sentences that a page shows after a form was sent. They travel as a word in the address, never as text."""

from __future__ import annotations

NOTES = {
    "deployed": "A new version was made and is being started.",
    "unchanged": "Nothing is different from the newest version, so no new version was made.",
    "restarted": "Nothing is different from an earlier version, so that one is being started.",
    "started": "The version is being started.",
    "stopped": "The version is being stopped; requests in flight are finished first.",
    "idled": "The deployment is idle; the next request starts its replicas again.",
    "woken": "The replicas are being started.",
    "version-deleted": "The version was deleted.",
    "deleted": "The deployment was deleted.",
    "saved": "Saved.",
    "key-revoked": "The key was revoked; every gateway refuses it.",
    "account-made": "The account was made.",
    "account-disabled": "The account is disabled: its sessions have ended, its tokens sleep.",
    "account-enabled": "The account is enabled; its tokens work again.",
    "account-deleted": "The account was deleted, with its tokens and sessions.",
    "password-set": "The password was set; the account's sessions and logins have ended.",
    "password-chosen": "Your password is set; sign in with it.",
    "password-changed": "Your password was changed; your other sessions and logins have ended.",
    "team-made": "The team was made.",
    "team-deleted": "The team was deleted.",
    "token-revoked": "The token was revoked.",
    "scaled": "The number of replicas was changed.",
    "signed-out": "You are signed out.",
}
