"""The workbench: the first process of an interactive session's container.

`program` serves the session over the container's stream: it lays out a working copy (`files`),
starts a shell, a command or JupyterLab under the confinement of a check (`places`, `running`),
passes on what is typed and printed and the bytes of connections (`tunnels`), and sends back what
changed. It ends with its stream, and everything in the container with it.

Like the harness, whose frames and confinement it uses, it needs nothing but the standard library of
Python 3.8 and is sent into the container when it starts; see `services/runner/workbench/bundle.py`.

Runner to workbench (in this order; those after `start` as often as one likes):

==============  =================================================================  ==============
type            header                                                             body
==============  =================================================================  ==============
config          uid, data_root, work_root, environment, shims, data_bytes,         --
                file_bytes, collected_bytes, collected_files
file            path, executable, link, more                                       part of it
start           program, command, folder, rows, columns, variables, import_path,   --
                secret
input           --                                                                 bytes, or none
resize          rows, columns                                                      --
signal          number                                                             --
tunnel          connection, closed, consumed, reset                                bytes
collect         --                                                                 --
==============  =================================================================  ==============

Workbench to runner:

==============  =================================================================  ==============
type            header                                                             body
==============  =================================================================  ==============
hello           conformance, rung                                                  --
refused         message (the session ends)                                         --
started         --                                                                 --
output          --                                                                 bytes
error_output    --                                                                 bytes
input_consumed  bytes                                                              --
tunnel          connection, closed, consumed, reset                                bytes
ended           status                                                             --
file            path, executable, link, more, removed                              part of it
collected       files, skipped                                                     --
==============  =================================================================  ==============
"""
