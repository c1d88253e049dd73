"""How much may be sent to us at once."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler

# Five documents of 5 MB, the largest form there is, and what lies around them.
WHOLE_REQUEST_MAX = 32_000_000


class WholeRequest(FileUploadHandler):
    """Refuse a form by its announced length, before any file of it is written to disk."""

    def handle_raw_input(
        self,
        _input_data: Any,
        _meta: Any,
        content_length: int,
        _boundary: Any,
        _encoding: Any = None,
    ) -> None:
        if content_length > WHOLE_REQUEST_MAX:
            raise RequestDataTooBig("A form larger than the largest there is.")

    def receive_data_chunk(self, raw_data: bytes, _start: int) -> bytes:
        return raw_data

    def file_complete(self, _file_size: int) -> None:
        """Leave the file to the next handler."""
