"""The page: thin shells that small modules fill through the same interface as everybody's."""

from fastapi import APIRouter, FastAPI

router = APIRouter()


def mount(app: FastAPI) -> None:
    """Serve the static files."""
    del app
