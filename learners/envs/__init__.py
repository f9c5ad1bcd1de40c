"""Where `learners.jutap.env` and `learners.push.env` were; their old names lie below."""
