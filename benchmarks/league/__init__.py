"""The league table of fidelity: the codecs of brinery and other serializers, and the graphs of the suite."""
