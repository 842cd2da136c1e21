import ast
import platform
from math import isfinite

from brinery import Capabilities, Codec, EncodeError

ATOMS = (type(None), bool, int, float, str, bytes)


class LiteralCodec(Codec):
    name = "literal"
    capabilities = Capabilities(references=True, safe_to_read=True, deterministic=True)
    version = property(lambda self: platform.python_version())

    def dump(self, obj, sink, links):
        seen = set()

        def text(value, path, depth=0):
            cls = type(value)
            if links.is_external_type(cls) and (ref := links.external(value)) is not None:
                return f"(..., {str(ref)!r})"
            if cls in ATOMS and (cls is not float or isfinite(value)):
                return repr(value)
            if cls not in (list, dict, tuple) or id(value) in seen or depth > 60:
                raise EncodeError(f"no literal, twice or too deep: {cls}", object_path=path)
            if cls is not tuple:
                seen.add(id(value))
            keys = range(len(value)) if cls is not dict else value
            held = [text(value[key], f"{path}[{key!r}]", depth + 1) for key in keys]
            if cls is dict:
                held = [f"{text(k, path, depth + 1)}: {v}" for k, v in zip(keys, held, strict=True)]
            start, end = {list: "[]", dict: "{}", tuple: "()"}[cls]
            return f"{start}{''.join(each + ', ' for each in held)}{end}"

        sink.write(text(obj, "").encode())

    def load(self, source, links, buffers=()):
        def revive(value):
            if type(value) is dict:
                return {revive(key): revive(held) for key, held in value.items()}
            if type(value) is tuple and value[:1] == (...,):
                return links.resolve(value[1])
            return type(value)(map(revive, value)) if type(value) in (list, tuple) else value

        return revive(ast.literal_eval(bytes(source).decode()))
