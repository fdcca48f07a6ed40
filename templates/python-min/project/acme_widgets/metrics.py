"""Counts of requests, in Prometheus' text format."""

import threading

# A client can make up methods: each would be a series of its own.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total: dict[tuple[str, str, int], int] = {}
        self._durations: dict[tuple[str, str], tuple[list[int], float]] = {}
        self._in_flight = 0

    def begin(self) -> None:
        with self._lock:
            self._in_flight += 1

    def end(self, method: str, route: str, status: int, seconds: float) -> None:
        if method not in METHODS:
            method = "_OTHER"
        with self._lock:
            self._in_flight -= 1
            self._total[method, route, status] = self._total.get((method, route, status), 0) + 1
            counts, total = self._durations.get((method, route), ([0] * (len(BUCKETS) + 1), 0.0))
            counts[sum(seconds > b for b in BUCKETS)] += 1
            self._durations[method, route] = (counts, total + seconds)

    def text(self) -> str:
        lines = ["# TYPE http_requests_total counter"]
        with self._lock:
            for (method, route, status), n in sorted(self._total.items()):
                lines.append(f'http_requests_total{{method="{method}",route="{route}",status="{status}"}} {n}')
            lines.append("# TYPE http_request_duration_seconds histogram")
            for (method, route), (counts, total) in sorted(self._durations.items()):
                labels = f'method="{method}",route="{route}"'
                reached = 0
                for bound, n in zip((*map(str, BUCKETS), "+Inf"), counts):
                    reached += n
                    lines.append(f'http_request_duration_seconds_bucket{{{labels},le="{bound}"}} {reached}')
                lines.append(f"http_request_duration_seconds_sum{{{labels}}} {total:.6f}")
                lines.append(f"http_request_duration_seconds_count{{{labels}}} {reached}")
            lines.append("# TYPE http_requests_in_flight gauge")
            lines.append(f"http_requests_in_flight {self._in_flight}")
        return "\n".join(lines) + "\n"
