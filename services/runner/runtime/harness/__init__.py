"""The harness: runs one check at a time, each in a fresh process, inside an environment.

`supervisor` is the first process: it does all input and output, watches deadlines, kills what is
left over and collects what was made. `zygote` has imported the environment's libraries and forks a
child for each check. `child` runs one entity by the rules of `rules` and reports over a pipe.

The harness needs nothing but the standard library of Python 3.8 and is sent into the environment
when it starts; see `services/runner/sessions/bundle.py`. Its wire is described in `frames`.
"""
