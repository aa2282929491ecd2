"""Adapters: one library a file, all with the interface of :class:`Peer`."""

from benchmarks.peers.base import Peer, load_peer, peer_names

__all__ = ["Peer", "load_peer", "peer_names"]
