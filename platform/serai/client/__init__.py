"""The Python client: the server's API, packing and uploading of folders, and saved logins.

`from serai.client.client import Client` is the way in; this module is empty, so that `serai --help` pays for nothing.
"""
