"""Counts and times requests, in Prometheus' text format."""

from collections import Counter, defaultdict

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the latency histogram, seconds."""


class Metrics:
    """Counters of one process. Labels are bounded: routes by template, never by path."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def observe(self, *, verb: str, route: str, status: int, seconds: float) -> None:
        """Counts one request.

        Args:
            verb: HTTP method; one that is none counts as `OTHER`.
            route: Template of the route.
            status: HTTP status that was answered.
            seconds: From the request's head to the answer's end; streams last as long as watched.
        """
        known = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
        self._requests[verb if verb in known else "OTHER", route, status] += 1
        self._seconds[route] += seconds
        position = next((i for i, bound in enumerate(BUCKETS) if seconds <= bound), len(BUCKETS))
        self._buckets[route][position] += 1

    def text(self) -> str:
        """Prints all of it."""
        lines = [
            "# HELP ackrep_gateway_requests_total Requests answered.",
            "# TYPE ackrep_gateway_requests_total counter",
        ]
        for (verb, route, status), count in sorted(self._requests.items()):
            labels = f'method="{verb}",route="{route}",status="{status}"'
            lines.append(f"ackrep_gateway_requests_total{{{labels}}} {count}")
        lines += [
            "# HELP ackrep_gateway_request_seconds Time until the answer's end.",
            "# TYPE ackrep_gateway_request_seconds histogram",
        ]
        for route, counts in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += count
                labels = f'route="{route}",le="{bound}"'
                lines.append(f"ackrep_gateway_request_seconds_bucket{{{labels}}} {total}")
            label = f'{{route="{route}"}}'
            lines.append(f"ackrep_gateway_request_seconds_sum{label} {self._seconds[route]:.6f}")
            lines.append(f"ackrep_gateway_request_seconds_count{label} {total}")
        return "\n".join(lines) + "\n"
