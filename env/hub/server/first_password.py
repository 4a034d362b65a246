"""Let users in by a password of the hub's own, which the instructor hands out first."""

from __future__ import annotations

import csv
from pathlib import Path

import bcrypt
from nativeauthenticator import NativeAuthenticator
from nativeauthenticator.handlers import ChangePasswordHandler
from nativeauthenticator.orm import UserInfo
from traitlets import Unicode


class FirstPasswordAuthenticator(NativeAuthenticator):
    """Know everybody of the class from the start, so that nobody can sign up as another."""

    first_passwords = Unicode(help="The CSV with the columns name and password.").tag(config=True)

    def __init__(self, *arguments, **named) -> None:
        super().__init__(*arguments, **named)
        with Path(self.first_passwords).open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                if not self.user_exists(row["name"]):
                    hashed = bcrypt.hashpw(row["password"].encode(), bcrypt.gensalt())
                    self.db.add(UserInfo(username=row["name"], password=hashed, is_authorized=True))
        self.db.commit()

    def get_handlers(self, app):
        """Return the page on which users change their password.

        Signing up has none, and logging in is JupyterHub's own: NativeAuthenticator 1.3's asks for
        a statsd that JupyterHub 6 no longer has.
        """
        return [(r"/change-password", ChangePasswordHandler)]
