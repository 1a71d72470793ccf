"""From a commit to the messages to send: read events, fold them into entries, render them."""
