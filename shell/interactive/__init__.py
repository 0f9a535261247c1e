"""The shell that a person types into: prompt, conversation, jobs, completion."""
