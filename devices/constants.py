"""Facts that several parts of the devices' way rest on."""

# Devices publish their RPC replies below this topic, each on one of its own, which its request names: control's is
# `<this>/<device's prefix>`, that of an ingest process `<this>/ingest-<instance>/<device's prefix>`.
RPC_REPLIES = "ecowatt/backend/rpc_response"

# How long anybody waits for a device's answer to a request, seconds.
ANSWER_S = 5.0
