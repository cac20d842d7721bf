"""What the server counts, for Prometheus."""

from __future__ import annotations

from typing import Any

from callwright.errors import MissingExtra
from callwright.generate.reply import Completion


class Metrics:
    """Counters of one server. Raises MissingExtra without prometheus-client."""

    def __init__(self) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise MissingExtra("serve", "prometheus-client") from None
        self._prometheus: Any = prometheus
        self._registry = prometheus.CollectorRegistry()
        own: Any = {"registry": self._registry}
        self.requests = prometheus.Counter(
            "callwright_requests", "Requests, by path and status.", ["path", "status"], **own
        )
        self.seconds = prometheus.Histogram("callwright_request_seconds", "Seconds to the last byte.", ["path"], **own)
        self.first = prometheus.Histogram("callwright_first_token_seconds", "Seconds to the first token.", **own)
        self.tokens = prometheus.Counter("callwright_tokens", "Tokens, by kind.", ["kind"], **own)
        self.passes = prometheus.Counter("callwright_passes", "Passes of the model, of all replies.", **own)
        self.running = prometheus.Gauge("callwright_running", "Replies that are being written.", **own)
        self.waiting = prometheus.Gauge("callwright_waiting", "Requests that wait for room.", **own)

    def completed(self, prompt: int, completion: Completion) -> None:
        """One reply ended."""
        self.tokens.labels("prompt").inc(prompt)
        self.tokens.labels("cached").inc(completion.cached)
        self.tokens.labels("written").inc(completion.tokens)
        self.passes.inc(completion.passes)

    def page(self) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its content type."""
        return self._prometheus.generate_latest(self._registry), self._prometheus.CONTENT_TYPE_LATEST
