"""The far end of the coin wire: a coin acceptor and hoppers that speak ccTalk on a pty."""
