/*
** A walk over everything a state has allocated, for a copy of its memory that another process can take
** over (src/lua/alloc/image.rs). Lua's memory lies in one arena at an address of our own, so only words
** that point out of the arena mean nothing elsewhere: functions in C, the node that all empty tables
** share, hooks. They are found by what they are the value of, never by what they look like, told to
** Rust, and zero in the copy. Words that nobody reads any more (values of nils, padding, calls that are
** over) may hold what was there before: they are zero in the copy too, so that equal states make equal
** copies, and nothing of this process' addresses gets out.
**
** The walk writes to the copy only. It adds up the bytes of what it comes by: if that is not what the
** heap has given out, there is something it does not know.
*/
#ifndef LUNETTE_IMAGE_H
#define LUNETTE_IMAGE_H

struct lunette_walk {
  unsigned char *copy;  /* of the bytes from `base` */
  uintptr_t base;
  size_t size;
  size_t counted;  /* bytes of all blocks so far */
  const char *problem;  /* why this state cannot be copied, or NULL */
  lua_CFunction box_gc;  /* finalizer of the boxes of lauxlib.c */
  void *rust;
  /* The word `at` bytes from `base` points to something known to Rust; 0: it is not known. */
  int (*foreign)(void *rust, size_t at, const void *pointer);
};

static inline int lunette_is_inside (const struct lunette_walk *w, const void *p, size_t n) {
  size_t at = (size_t)((uintptr_t)p - w->base);
  return at < w->size && n <= w->size - at;
}

static inline void *lunette_copy_of (const struct lunette_walk *w, const void *p) {
  return w->copy + ((uintptr_t)p - w->base);
}

/* A block: what rounds it up to whole granules is nobody's. Returns 0 when there is none to look into. */
static inline int lunette_block (struct lunette_walk *w, const void *p, size_t n) {
  size_t rest = (16 - n % 16) % 16;
  if (n == 0)
    return 0;
  if (!lunette_is_inside(w, p, n + rest)) {
    w->problem = "a block lies outside of its memory";
    return 0;
  }
  w->counted += n;
  memset((unsigned char *)lunette_copy_of(w, p) + n, 0, rest);
  return 1;
}

/* Bytes of a block that mean nothing. */
static inline void lunette_blank (struct lunette_walk *w, const void *p, size_t n) {
  memset(lunette_copy_of(w, p), 0, n);
}

/* The bytes between two neighbouring fields. */
#define lunette_gap(w,o,type,field,next)  \
  lunette_blank(w, (const char *)(o) + offsetof(type, field) + sizeof((o)->field),  \
                offsetof(type, next) - offsetof(type, field) - sizeof((o)->field))

/* A link that is within the arena while it means something. */
static inline void lunette_link (struct lunette_walk *w, const void *place, const void *link) {
  if (!lunette_is_inside(w, link, 1))
    lunette_blank(w, place, sizeof(void *));
}

static inline void lunette_foreign_word (struct lunette_walk *w, const void *place,
                                         const void *pointer) {
  if (pointer == NULL)
    return;
  if (!w->foreign(w->rust, (size_t)((uintptr_t)place - w->base), pointer))
    w->problem = "it refers to a function of the program that has no name";
  lunette_blank(w, place, sizeof(void *));
}

/* The function pointer at `place`. */
static inline void lunette_function (struct lunette_walk *w, const void *place) {
  const void *pointer;
  memcpy(&pointer, place, sizeof(pointer));
  lunette_foreign_word(w, place, pointer);
}

/* What a value is made of, by its tag. */
static inline void lunette_payload (struct lunette_walk *w, const Value *v, int tag) {
  switch (tag) {
    case LUA_VLCF:
      lunette_function(w, v);
      break;
    case LUA_VLIGHTUSERDATA:
      if (v->p != NULL && !lunette_is_inside(w, v->p, 1))
        w->problem = "it holds an address of the program (light userdata)";
      break;
    case LUA_VNIL: case LUA_VEMPTY: case LUA_VABSTKEY: case LUA_VFALSE: case LUA_VTRUE:
      lunette_blank(w, v, sizeof(Value));
      break;
    default:
      if ((tag & BIT_ISCOLLECTABLE) && !lunette_is_inside(w, v->gc, 1))
        w->problem = "a value lies outside of its memory";
      break;
  }
}

static inline void lunette_value (struct lunette_walk *w, const TValue *v) {
  lunette_blank(w, (const char *)v + offsetof(TValue, tt_) + 1,
                sizeof(TValue) - offsetof(TValue, tt_) - 1);
  lunette_payload(w, &v->value_, v->tt_);
}

static inline void lunette_values (struct lunette_walk *w, const TValue *v, size_t n) {
  while (n-- > 0)
    lunette_value(w, v++);
}

static inline void lunette_table (struct lunette_walk *w, const Table *t) {
  size_t n = luaH_realasize(t), i;
  if (!lunette_block(w, t, sizeof(Table)))
    return;
  lunette_link(w, &t->gclist, t->gclist);
  if (lunette_block(w, t->array, n * sizeof(TValue)))
    lunette_values(w, t->array, n);
  if (isdummy(t)) {
    lunette_foreign_word(w, &t->node, t->node);
    return;
  }
  n = sizenode(t);
  if (!lunette_block(w, t->node, n * sizeof(Node)))
    return;
  for (i = 0; i < n; i++) {
    const Node *node = gnode(t, i);
    lunette_gap(w, &node->u, struct NodeKey, key_tt, next);
    lunette_payload(w, &node->u.value_, node->u.tt_);
    lunette_payload(w, &node->u.key_val, node->u.key_tt);
  }
}

static inline void lunette_proto (struct lunette_walk *w, const Proto *f) {
  int i;
  if (!lunette_block(w, f, sizeof(Proto)))
    return;
  lunette_gap(w, f, Proto, maxstacksize, sizeupvalues);
  lunette_gap(w, f, Proto, lastlinedefined, k);
  lunette_link(w, &f->gclist, f->gclist);
  (void)lunette_block(w, f->code, (size_t)f->sizecode * sizeof(Instruction));
  (void)lunette_block(w, f->p, (size_t)f->sizep * sizeof(Proto *));
  (void)lunette_block(w, f->lineinfo, (size_t)f->sizelineinfo * sizeof(ls_byte));
  (void)lunette_block(w, f->abslineinfo, (size_t)f->sizeabslineinfo * sizeof(AbsLineInfo));
  (void)lunette_block(w, f->locvars, (size_t)f->sizelocvars * sizeof(LocVar));
  if (lunette_block(w, f->k, (size_t)f->sizek * sizeof(TValue)))
    lunette_values(w, f->k, (size_t)f->sizek);
  if (!lunette_block(w, f->upvalues, (size_t)f->sizeupvalues * sizeof(Upvaldesc)))
    return;
  for (i = 0; i < f->sizeupvalues; i++) {
    lunette_blank(w, &f->upvalues[i].kind + 1,
                  sizeof(Upvaldesc) - offsetof(Upvaldesc, kind) - sizeof(f->upvalues[i].kind));
  }
}

static inline void lunette_closure (struct lunette_walk *w, const Closure *c) {
  int is_c = c->c.tt == LUA_VCCL;
  int n = c->c.nupvalues;
  if (!lunette_block(w, c, (size_t)(is_c ? sizeCclosure(n) : sizeLclosure(n))))
    return;
  lunette_gap(w, &c->c, CClosure, nupvalues, gclist);
  lunette_link(w, &c->c.gclist, c->c.gclist);
  if (is_c) {
    lunette_function(w, &c->c.f);
    lunette_values(w, c->c.upvalue, (size_t)n);
  }
}

static inline void lunette_upvalue (struct lunette_walk *w, const UpVal *uv) {
  if (!lunette_block(w, uv, sizeof(UpVal)))
    return;
  lunette_gap(w, uv, UpVal, marked, v);
  if (!upisopen(uv))
    lunette_value(w, &uv->u.value);
}

/* A userdata of lauxlib.c with memory of its own? */
static inline int lunette_is_box (lua_State *L, const struct lunette_walk *w, const Udata *u) {
  const TValue *gc;
  if (u->metatable == NULL || u->len != 2 * sizeof(size_t))
    return 0;
  gc = luaH_getshortstr(u->metatable, G(L)->tmname[TM_GC]);
  return ttislcf(gc) && fvalue(gc) == w->box_gc;
}

static inline void lunette_userdata (lua_State *L, struct lunette_walk *w, const Udata *u) {
  int i;
  if (!lunette_block(w, u, sizeudata(u->nuvalue, u->len)))
    return;
  lunette_gap(w, u, Udata, nuvalue, len);
  if (u->nuvalue > 0)
    lunette_link(w, &u->gclist, u->gclist);
  for (i = 0; i < u->nuvalue; i++)
    lunette_value(w, &u->uv[i].uv);
  if (lunette_is_box(L, w, u)) {
    struct { void *box; size_t size; } box;  /* UBox */
    memcpy(&box, (const char *)u + udatamemoffset(u->nuvalue), sizeof(box));
    (void)lunette_block(w, box.box, box.size);
  }
}

/* A call of a thread; `is_live`: not over yet. */
static inline void lunette_call (struct lunette_walk *w, const lua_State *th, const CallInfo *ci,
                                 int is_live) {
  if (!is_live) {
    lunette_link(w, &ci->func, ci->func.p);
    lunette_link(w, &ci->top, ci->top.p);
    lunette_blank(w, &ci->u, sizeof(ci->u));
  }
  else if (isLua(ci))
    lunette_blank(w, &ci->u.c.ctx, sizeof(ci->u.c.ctx));  /* beyond what they have */
  else if (th->status == LUA_YIELD && !(ci->callstatus & CIST_CLSRET) && ci->u.c.k != NULL) {
    lunette_function(w, &ci->u.c.k);
    if (!(ci->callstatus & CIST_YPCALL))
      lunette_blank(w, &ci->u.c.old_errfunc, sizeof(ci->u.c.old_errfunc));
  }
  else
    lunette_blank(w, &ci->u, sizeof(ci->u));  /* nothing goes on with it */
}

static inline void lunette_stack (struct lunette_walk *w, const lua_State *th) {
  size_t n = (size_t)stacksize(th) + EXTRA_STACK, i;
  if (!lunette_block(w, th->stack.p, n * sizeof(StackValue)))
    return;
  for (i = 0; i < n; i++) {
    const StackValue *slot = th->stack.p + i;
    const TValue *v = s2v(slot);
    int tag = v->tt_;
    if (slot >= th->top.p && (tag == LUA_VLCF || tag == LUA_VLIGHTUSERDATA)) {
      /* The collector makes nil of what is above the top, too. */
      ((TValue *)lunette_copy_of(w, v))->tt_ = tag = LUA_VNIL;
    }
    lunette_blank(w, (const char *)v + offsetof(TValue, tt_) + 1, 1);
    lunette_blank(w, &slot->tbclist.delta + 1,
                  sizeof(StackValue) - offsetof(StackValue, tbclist.delta)
                  - sizeof(slot->tbclist.delta));
    lunette_payload(w, &v->value_, tag);
  }
}

static inline void lunette_thread (struct lunette_walk *w, const lua_State *th) {
  const global_State *g = G(th);
  const char *begin = (const char *)th - LUA_EXTRASPACE;
  const CallInfo *ci;
  int is_live = 1;
  size_t size = (th == g->mainthread) ? (size_t)((const char *)(g + 1) - begin)
                                      : sizeof(lua_State) + LUA_EXTRASPACE;
  if (!lunette_block(w, begin, size))
    return;
  if (th->errorJmp != NULL)
    w->problem = "it is running";
  lunette_blank(w, begin, LUA_EXTRASPACE);
  lunette_function(w, (const void *)&th->hook);
  lunette_link(w, &th->gclist, th->gclist);
  if (th->stack.p == NULL)
    return;  /* there was no memory for more */
  lunette_stack(w, th);
  for (ci = &th->base_ci; ci != NULL; ci = ci->next) {
    if (ci == &th->base_ci || lunette_block(w, ci, sizeof(CallInfo)))
      lunette_call(w, th, ci, is_live);
    if (ci == th->ci)
      is_live = 0;
  }
}

static inline void lunette_objects (lua_State *L, struct lunette_walk *w, const GCObject *o) {
  for (; o != NULL && w->problem == NULL; o = o->next) {
    switch (o->tt) {
      case LUA_VSHRSTR: case LUA_VLNGSTR:
        (void)lunette_block(w, o, sizelstring(tsslen(gco2ts(o))));
        break;
      case LUA_VTABLE: lunette_table(w, gco2t(o)); break;
      case LUA_VLCL: case LUA_VCCL: lunette_closure(w, gco2cl(o)); break;
      case LUA_VPROTO: lunette_proto(w, gco2p(o)); break;
      case LUA_VUPVAL: lunette_upvalue(w, gco2upv(o)); break;
      case LUA_VUSERDATA: lunette_userdata(L, w, gco2u(o)); break;
      case LUA_VTHREAD: lunette_thread(w, gco2th(o)); break;
      default: w->problem = "it holds an object of an unknown kind"; break;
    }
  }
}

/* `L` is the main thread. */
static inline void lunette_walk (lua_State *L, struct lunette_walk *w) {
  const global_State *g = G(L);
  if (L->ci != &L->base_ci || g->gcstopem || g->gcemergency) {
    w->problem = "it is running";
    return;
  }
  lunette_objects(L, w, g->allgc);
  lunette_objects(L, w, g->finobj);
  lunette_objects(L, w, g->tobefnz);
  lunette_objects(L, w, g->fixedgc);
  (void)lunette_block(w, g->strt.hash, (size_t)g->strt.size * sizeof(TString *));
  lunette_function(w, &g->frealloc);
  lunette_function(w, &g->panic);
  lunette_function(w, &g->warnf);
  lunette_value(w, &g->l_registry);
  lunette_value(w, &g->nilvalue);
  if (g->ud_warn != NULL)
    w->problem = "it has a handler of warnings";
}

/*
** What no name leads to: the node that empty tables share, and what goes on with a `pairs` whose
** metamethod has yielded, which `yielded` is a thread of.
*/
static inline void lunette_hidden (const lua_State *yielded, const void *table,
                                   const void **found) {
  found[0] = ((const Table *)table)->node;
  memcpy(&found[1], &yielded->ci->previous->u.c.k, sizeof(void *));
}

#endif
