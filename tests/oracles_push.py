"""Brute force for PUSH on the plain JSON document; shares no code with what it checks.

Every content that a user requests is given each allowed push slot or none; the cache is a queue
that is replayed slot by slot, push by push, request by request.
"""

from collections import deque
from itertools import product


def optimum(document):
    """Return the least total delay of all users in microseconds."""
    return sum(user_optimum(document, user) for user in range(document["num_users"]))


def user_optimum(document, user):
    """Return the least delay of one user, over all assignments of push slots."""
    requests = [row[1:] for row in document["requests"] if row[0] == user]
    # a content the user never requests can only evict others
    asked = sorted({content for content, *_ in requests})
    options = [push_slots(document, user, content) for content in asked]
    return min(
        delay(document, user, requests, dict(zip(asked, slots, strict=True)))
        for slots in product(*options)
    )


def plans(document, user):
    """Return the number of assignments `user_optimum` tries."""
    count = 1
    for content in {row[1] for row in document["requests"] if row[0] == user}:
        count *= len(push_slots(document, user, content))
    return count


def push_slots(document, user, content):
    """Return the slots in which the content may be pushed to the user, and None for never."""
    if content not in document["roi"][user]:
        return [None]
    first, up = document["release"][content], document["link_up"][user]
    return [None, *(slot for slot in range(first, document["num_slots"]) if up[slot])]


def delay(document, user, requests, slot_of):
    """Return the user's delay in microseconds if each content is pushed in its slot."""
    total = 0
    cache = deque()
    for slot in range(document["num_slots"]):
        for content in sorted(slot_of):
            if slot_of[content] == slot:
                if len(cache) == document["cache_size"][user]:
                    cache.popleft()
                cache.append(content)
        for content, when, *delays in requests:
            if when == slot and content not in cache:
                total += min(value for value in delays if value is not None)
    return total
