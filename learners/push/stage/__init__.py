"""The process that agents of PUSH learn on: scenes, what heads see, episodes."""
