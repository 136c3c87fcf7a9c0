"""The service of the image: `uvicorn app:app`."""

from fastapi import FastAPI

app = FastAPI(title="Service")


@app.get("/health")
def health() -> dict[str, str]:
    """Answer that the service runs."""
    return {"status": "ok"}
