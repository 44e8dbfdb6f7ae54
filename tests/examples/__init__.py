"""The services under examples/, run as their READMEs say, over real sockets."""
