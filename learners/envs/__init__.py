"""Where `learners.jutap.env` and `learners.push.stage.env` were; their old names lie below."""
