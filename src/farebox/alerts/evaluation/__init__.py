"""When an alert fires and when it has recovered: figures in, findings and events out.

Pure: no database, no file, no clock. Whoever keeps the sums hands them in with the moment; what follows is
the same whether it is now or a simulation of last month.
"""
