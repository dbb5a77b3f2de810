"""A node's resident worker group: processes that hold the base model across messages and train when asked.

    ClientApp process (one a message, no torch)      -> ``client.GroupLearner``
      | Unix socket in a folder of the owner's alone -> ``place``, ``frames``
    supervisor (one a node, no torch)                -> ``supervisor``, ``health``
      | starts torchrun                              -> ``launch``
    ranks (one a GPU, or as configured on CPUs)      -> ``rank``

The supervisor relays requests to all ranks and the leader's answers back, and watches: whatever goes wrong with a rank
ends the whole group, the request under way is answered with what happened, and the next request starts a new group.
No process of it holds a key of the consortium.

Not for: gradient steps (``client_app.training.loop``).
"""
