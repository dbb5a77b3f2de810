"""What the machine gives a process, in one place: paths, text files, temporary folders, ports, proxies, cores, waiting.

Standard library and psutil only. Every other package may import this one, and it imports none of them.
"""
